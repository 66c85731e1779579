// Express, as its guide has it: a route for each transport.

import { createServer } from "node:http";

import express from "express";

import { event, find, first, live, read, start, type, wait } from "./answers.js";

process.env.NODE_ENV = "production"; // as its page on performance asks for
const app = express();
app.disable("x-powered-by");
app.disable("etag"); // what is asked for once need not be told apart from what was

app.post("/answers", express.json({ limit: "1mb" }), (request, response) => {
  response.status(201).json(start(request.body, ["sse", "polling", "long_polling"]));
});

app.param("id", (request, response, next, id) => {
  request.answer = find(id);
  request.cursor = Number(request.query.cursor ?? 0);
  return request.answer ? next() : response.sendStatus(404);
});

app.get("/answers/:id/sse", (request, response) => {
  const { answer, cursor } = request;
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform" });
  response.write(first(cursor));
  response.on("close", type(answer, cursor, (chunk) => response.write(event(chunk)), () => response.end()));
});

app.get("/answers/:id/polling", ({ answer, cursor }, response) => {
  response.set("Cache-Control", "no-store").json(read(answer, cursor));
});

app.get("/answers/:id/long_polling", ({ answer, cursor }, response) => {
  response.set("Cache-Control", "no-store");
  response.on("close", wait(answer, cursor, (chunk) => response.json(chunk)));
});

live(createServer(app));
