// The `ws` package, compression off. Answers are started over plain HTTP on the same port.

import { createServer } from "node:http";
import { json } from "node:stream/consumers";

import { WebSocketServer } from "ws";

import { find, live, start, type } from "./answers.js";

const server = createServer(async (request, response) => {
  const body = JSON.stringify(start(await json(request), ["websocket"]));
  response.writeHead(201, { "Content-Type": "application/json" }).end(body);
});

new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket, request) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  const answer = find(pathname.split("/")[2]);
  if (!answer) return socket.close(1008, "There is no such answer.");
  const cursor = Number(searchParams.get("cursor"));
  socket.on("close", type(answer, cursor, (chunk) => socket.send(JSON.stringify(chunk)), () => socket.close(1000)));
});

live(server);
