// The types of a model that `afterword export --js` wrote.

export interface Options {
  /** The text to continue; without one, a text begins as the training text does. */
  prompt?: string;
  /** Tokens to write at most. The default of this and the next two is the model's own. */
  maxTokens?: number;
  /** From 0 to 100: lower is safer, higher is wilder; 0 takes the likeliest token. */
  temperature?: number;
  /** Drop tokens below this fraction of the highest probability. */
  minP?: number;
  /** From 0 to 2^64 - 1: the same seed and options write the same text. Random by default. */
  seed?: number | bigint | string;
  /** End before this text, or the first of these texts. */
  stop?: string | string[];
  /** Reject the promise with an AbortError when this is aborted. */
  signal?: AbortSignal;
  onToken?: (token: Token) => void;
}

export interface Token {
  /** The text that became certain with this token; it is empty while a stop may have begun. */
  text: string;
  id: number;
  /** In nats, before temperature and filters, with the n-gram. */
  logProbability: number;
}

export interface Sample {
  /** Without the prompt. */
  text: string;
  /** The number of tokens drawn. */
  tokens: number;
  /** The sum of their log-probabilities. */
  logProbability: number;
  /** "stop": the end of a line, or a stop text. */
  finishReason: "stop" | "length";
  /** The seed that writes this text again. */
  seed: number | bigint | string;
}

export interface Model {
  /** "wasm", or "js" where WebAssembly lacks SIMD. */
  readonly kernel: "wasm" | "js";
  generate(options?: Options): Promise<Sample>;
  /** The cost of each token of a text, in nats, the first one too. */
  score(text: string, options?: { signal?: AbortSignal }): Promise<Float64Array>;
  /** The text of each token; "" for one byte of a character that is absent from the training text. */
  split(text: string): Promise<string[]>;
  /** The characters that can follow, the likeliest first; "" is the end of a line. */
  next(prompt: string, options?: { signal?: AbortSignal }): Promise<{ text: string; probability: number }[]>;
  /** The likeliest words that can follow, with the space before them: 8, or `count` of them. */
  words(prompt: string, options?: { count?: number; signal?: AbortSignal }): Promise<{ text: string; probability: number }[]>;
}

/** Load the model of this file. `wasm: false` runs it in plain JavaScript, with the same results. */
export function load(options?: { wasm?: boolean }): Promise<Model>;
