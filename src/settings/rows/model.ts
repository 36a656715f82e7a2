/** Which model is loaded, and from which file. */

import { text, toggle } from "../kinds.js";
import { setting } from "../setting.js";

export const modelRows = {
  modelPath: setting({
    kind: text("the path of a GGUF file", "<path>"),
    default: undefined,
    environment: "MODEL_PATH",
    flag: "--model",
    help: "a local GGUF file",
  }),
  headPath: setting({
    kind: text("the path of an .npz file", "<path>"),
    default: undefined,
    defaultText: "mlp_weights.npz beside the GGUF",
    environment: "HEAD_PATH",
    flag: "--head",
    help: "the score head",
  }),
  demo: setting({
    kind: toggle(),
    default: false,
    environment: "DEMO",
    flag: "--demo",
    help: "use the built-in demo model: it counts words and is not trained",
  }),
};
