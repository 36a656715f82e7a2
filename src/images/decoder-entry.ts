/** The program of decoder processes, compiled. Tests, which run the sources, take that of dist/: see vitest.config.ts. */
export const decoderEntry = new URL("./decoder-main.js", import.meta.url);
