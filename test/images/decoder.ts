/** Tests run the sources, of which a process cannot be made: the decoder's is that of dist/. */
export const decoder = new URL("../../dist/images/decoder-main.js", import.meta.url);
