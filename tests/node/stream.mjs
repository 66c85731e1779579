// OpenAI's SDK for Node, pointed at a server of ours: node stream.mjs http://127.0.0.1:8000/v1
import OpenAI from 'openai';

const client = new OpenAI({ apiKey: 'any', baseURL: process.argv[2], maxRetries: 0 });
const messages = [{ role: 'user', content: 'How do you do?' }];

const stream = await client.chat.completions.create({
  model: 'edge', messages, stream: true, stream_options: { include_usage: true }, first_token_ms: 0, token_ms: 0,
});
let text = '', usage = false;
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? '';
  usage ||= chunk.usage?.total_tokens > 0;
}
const { code } = await client.chat.completions.create({ model: 'gpt', messages }).catch((error) => error);
console.log(JSON.stringify({ text, usage, code }));
