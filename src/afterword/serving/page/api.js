// The server, as the page speaks to it.

/** What the server, or the way to it, said against a request. `status` is 0 where there was no answer at all. */
export class ApiError extends Error {
  constructor(message, status = 0, param = null) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

const KEY = "afterword.key";
const handlers = { askKey: async () => null, reach: () => {} };
let asking = null; // the one dialog for all requests that want a key

/** `askKey(wasWrong)` gives a key or null; `reach(isThere)` hears whether the server answers. */
export const handle = given => Object.assign(handlers, given);

export const isAbort = error => error?.name === "AbortError";

async function request(method, path, body, signal) {
  const key = sessionStorage.getItem(KEY);
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (isAbort(error)) throw error;
    handlers.reach(false);
    throw new ApiError("The server does not answer.");
  }
  handlers.reach(true);
  if (answer.status === 401) {
    if (sessionStorage.getItem(KEY) === key) {
      // nobody has given another one meanwhile
      asking ??= handlers.askKey(key !== null).finally(() => (asking = null));
      const given = await asking;
      if (given === null) throw new ApiError("The server wants a key.", 401);
      sessionStorage.setItem(KEY, given);
    }
    return request(method, path, body, signal);
  }
  if (!answer.ok) {
    const { error } = await answer.json().catch(() => ({}));
    throw new ApiError(error?.message ?? `The server answered ${answer.status}.`, answer.status, error?.param ?? null);
  }
  return answer;
}

/** The answer's JSON. */
export async function call(method, path, body, signal) {
  try {
    return await (await request(method, path, body, signal)).json();
  } catch (error) {
    throw asTold(error);
  }
}

/** Each chunk of a stream of completions, as it comes; it ends early where `signal` says so. */
export async function* stream(body, signal) {
  const answer = await request("POST", "/v1/completions", { ...body, stream: true }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const data = /^data: ?(.*?)\r?$/.exec(line)?.[1];
        if (!data) continue;
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new ApiError(chunk.error.message, 500, chunk.error.param ?? null);
        yield chunk;
      }
    }
  } catch (error) {
    throw asTold(error);
  } finally {
    reader.cancel().catch(() => {}); // of a connection that broke nothing is left to cancel
  }
}

function asTold(error) {
  if (error instanceof ApiError || isAbort(error)) return error;
  handlers.reach(false);
  return new ApiError("The connection to the server broke.");
}
