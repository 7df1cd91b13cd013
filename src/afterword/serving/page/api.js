// Requests to the server.

/** A failed request. `status` is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(message, status = 0, param = null) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

/** The server's path behind a proxy, such as "/aw", or "". Other servers on this host have their own texts and keys. */
export const root = new URL(".", document.baseURI).pathname.slice(0, -1);

const KEY = `afterword.key${root}`;
const handlers = { askKey: async () => null, reach: () => {} };
let asking = null; // the dialog, shared by all requests that need a key

/** `askKey(wasWrong)` returns a key or null; `reach(isThere)` is called with whether the server answers. */
export const handle = given => Object.assign(handlers, given);

export const isAbort = error => error?.name === "AbortError";

async function request(method, path, body, signal) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) };
  let answer;
  try {
    answer = await fetch(root + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (isAbort(error)) throw error;
    handlers.reach(false);
    throw new ApiError("The server does not answer.");
  }
  handlers.reach(true);
  if (answer.status === 401) {
    if (sessionStorage.getItem(KEY) === key) {
      // no other request has set a new key meanwhile
      asking ??= handlers.askKey(key !== null).finally(() => (asking = null));
      const given = await asking;
      if (given === null) throw new ApiError("The server requires a key.", 401);
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

/** Return the JSON of the answer. */
export async function call(method, path, body, signal) {
  try {
    return await (await request(method, path, body, signal)).json();
  } catch (error) {
    throw asApiError(error);
  }
}

/** Return what the modules of wings add to the page at `place`, which is the name of their export. */
export async function added(place) {
  const names = document.querySelector("[name=wings]").content.split(" ").filter(Boolean);
  const modules = await Promise.all(names.map(name => import(`./${name}`)));
  return modules.flatMap(module => module[place] ?? []);
}

/** Yield the chunks of a stream of completions; `signal` ends it early. */
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
    throw asApiError(error);
  } finally {
    reader.cancel().catch(() => {}); // a broken connection cannot be cancelled
  }
}

function asApiError(error) {
  if (error instanceof ApiError || isAbort(error)) return error;
  handlers.reach(false);
  return new ApiError("The connection to the server was lost.");
}
