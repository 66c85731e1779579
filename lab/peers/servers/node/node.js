// Node's own HTTP server, nothing added.

import { createServer } from "node:http";
import { json } from "node:stream/consumers";

import { event, find, first, live, read, start, type, wait } from "./answers.js";

const READ = {
  sse(request, response, answer, cursor) {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform" });
    response.write(first(cursor));
    response.on("close", type(answer, cursor, (chunk) => response.write(event(chunk)), () => response.end()));
  },
  polling(request, response, answer, cursor) {
    reply(response, 200, read(answer, cursor));
  },
  long_polling(request, response, answer, cursor) {
    response.on("close", wait(answer, cursor, (chunk) => reply(response, 200, chunk)));
  },
};

function reply(response, status, document) {
  const body = Buffer.from(JSON.stringify(document));
  const headers = { "Content-Type": "application/json", "Content-Length": body.length, "Cache-Control": "no-store" };
  response.writeHead(status, headers).end(body);
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  const [, , id, transport] = pathname.split("/");
  if (request.method === "POST") {
    reply(response, 201, start(await json(request), Object.keys(READ)));
  } else if (find(id) && Object.hasOwn(READ, transport)) {
    READ[transport](request, response, find(id), Number(searchParams.get("cursor")));
  } else {
    reply(response, 404, {});
  }
});

live(server);
