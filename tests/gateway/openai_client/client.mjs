// The real OpenAI client, driven by lines: a request in, what its user saw out. Many may be under way.
//
//   node client.mjs FOLDER NAME      FOLDER: where node_modules is; NAME: the package (openai4, openai6, openai7)
//
// In:  {"n","base_url","key","call":"chat.completions","body":{…},"headers":{…},"hang_up_after":k,"retries":2}
// Out: {"n","status","error":{"name","status","code","type","message"},"attempts":[{"status","headers","sent_at"}],
//       "chunks","usages":[…],"answer":{…},"hung_up"}
//
// `chunks` counts what the iterator gave; hang_up_after leaves it after so many.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, name] = process.argv.slice(2);
const require = createRequire(folder + "/");
const { default: OpenAI } = await import(pathToFileURL(require.resolve(name)).href);

function attemptsOf(report) {
  return async (url, init) => {
    const attempt = { status: null, headers: {}, sent_at: Date.now() };
    report.attempts.push(attempt);
    const reply = await fetch(url, init);
    attempt.status = reply.status;
    attempt.headers = Object.fromEntries(reply.headers.entries());
    return reply;
  };
}

async function readStream(stream, request, report) {
  for await (const chunk of stream) {
    report.chunks += 1;
    if (chunk.usage) report.usages.push(chunk.usage);
    if (chunk.response?.usage) report.usages.push(chunk.response.usage);
    if (Array.isArray(chunk.choices) && chunk.choices.length === 0) report.empty_chunks += 1;
    if (report.chunks === request.hang_up_after) {
      report.hung_up = true;
      break; // the client aborts its request
    }
  }
}

async function perform(request) {
  const report = { n: request.n, status: null, error: null, attempts: [], chunks: 0, empty_chunks: 0, usages: [],
                   answer: null, hung_up: false };
  const client = new OpenAI({ apiKey: request.key, baseURL: request.base_url, maxRetries: request.retries ?? 2,
                              timeout: 120000, fetch: attemptsOf(report) });
  let endpoint = client;
  const path = request.call.split(".");
  for (const part of path.slice(0, -1)) endpoint = endpoint[part];
  try {
    const options = { headers: request.headers ?? {} };
    const method = path[path.length - 1];
    const pending = request.body === null ? endpoint[method](options) : endpoint[method](request.body, options);
    if (request.body?.stream) {
      await readStream(await pending, request, report);
    } else {
      const { data, response } = await pending.withResponse();
      report.answer = { model: data.model, id: data.id };
      report.status = response.status;
      if (data.usage) report.usages.push(data.usage);
    }
  } catch (problem) {
    report.error = { name: problem.constructor?.name, status: problem.status, code: problem.code, type: problem.type,
                     message: String(problem.message) };
  }
  report.status ??= report.attempts.at(-1)?.status ?? null;
  return report;
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line) perform(JSON.parse(line)).then((report) => process.stdout.write(JSON.stringify(report) + "\n"));
}
