// Files that the user drops or chooses.

import { call } from "./api.js";
import { page } from "./state.js";

/**
 * Return the text of a file and notes on how it was read, as {text, notes}; of a document that the server reads, the bytes
 * in base64 too, as `document`. Throws an Error with one sentence if it has no text.
 */
export async function textOf(file, most = 50_000_000) {
  const { name, size } = file;
  const endings = page.get().endings ?? []; // none without a server
  if (size > most) throw new Error(`${name} is too large: ${Math.round(size / 1e6)} MB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isBinary = bytes.includes(0) && !wideEncodingOf(bytes); // the server knows what it is
  if (endings.some(one => name.toLowerCase().endsWith(one)) || (isBinary && endings.length)) {
    const reader = new FileReader();
    reader.readAsDataURL(file);
    await new Promise(resolve => reader.addEventListener("loadend", resolve));
    const document = reader.result.split(",")[1];
    return { document, ...(await call("POST", "/v1/documents", { name, document })) };
  }
  const encoding = encodingOf(bytes, name);
  const notes = encoding ? [`${name} is not UTF-8: it was read as ${encoding}`] : [];
  return { text: new TextDecoder(encoding).decode(bytes).replace(/\r\n?/g, "\n"), notes };
}

function wideEncodingOf(bytes) {
  const [little, big] = ["utf-16le", "utf-16be"];
  if (bytes[0] + bytes[1] === 0xff + 0xfe) return bytes[0] === 0xff ? little : big;
  const zeros = [0, 0]; // at even and at odd places
  for (const [k, byte] of bytes.subarray(0, 4096).entries()) zeros[k % 2] += byte === 0;
  const [few, many] = [Math.min(...zeros), Math.max(...zeros)];
  return many >= 8 && few * 20 <= many ? (zeros[0] === many ? big : little) : undefined;
}

/** Return the encoding that the command would name: UTF-16 by its mark or its zeros, cp1252 for what is not UTF-8; undefined for UTF-8. */
export function encodingOf(bytes, name) {
  const wide = wideEncodingOf(bytes);
  if (wide) return wide;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    const [sound] = new TextDecoder().decode(bytes).split("\ufffd");
    if (/[^\0-\x7f]/.test(sound)) throw new Error(`${name} is damaged UTF-8 after ${sound.length} characters: save it again as UTF-8`);
  }
  return "windows-1252";
}

/** Let the user choose a text, or a file with one of `more` endings, for `take`. */
export function chooseFile(take, ...more) {
  const accept = ["text/*", ".txt", ".csv", ".log", ".md", ...(page.get().endings ?? []), ...more].join();
  const input = Object.assign(document.createElement("input"), { type: "file", accept });
  input.addEventListener("change", () => input.files[0] && take(input.files[0]));
  input.click();
}

/** Return attributes for an element that accepts dropped files. */
export function dropping(take) {
  const mark = (event, isOver) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.currentTarget.classList.toggle("over", isOver);
  };
  return {
    onDragOver: event => mark(event, true),
    onDragLeave: event => mark(event, false),
    onDrop: event => {
      mark(event, false);
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    },
  };
}
