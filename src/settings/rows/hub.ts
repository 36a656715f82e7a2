/** Which model of the hub is loaded, where the hub is, and who asks it. */

import { address, pattern, repositoryName, text, toggle } from "../kinds.js";
import { setting } from "../setting.js";

export const hubModelRows = {
  modelId: setting({
    kind: repositoryName,
    default: "jinaai/jina-reranker-m0-GGUF",
    environment: "MODEL_ID",
    flag: "--model-id",
    help: "the repository of the hub to fetch from when no local file is given",
  }),
  modelFile: setting({
    kind: pattern("the path of a .gguf file in the repository", "<file>", /^(?!.*\.\.)[^\\/?#\p{C}][^\\?#\p{C}]*\.gguf$/iu),
    default: "jina-reranker-m0-Q4_K_M.gguf",
    environment: "MODEL_FILE",
    flag: "--model-file",
    help: "the GGUF file in it; the score head is beside it",
  }),
  modelRevision: setting({
    kind: pattern("a branch, a tag or a commit", "<revision>", /^(?!.*\.\.)[\w][\w./-]*$/),
    default: "main",
    environment: "MODEL_REVISION",
    flag: "--model-revision",
    help: "a branch, a tag or a commit of it; for a commit that is in the cache the hub is not asked",
  }),
  headId: setting({
    kind: repositoryName,
    default: undefined,
    defaultText: "MODEL_ID, else the official one where the model has its shape",
    environment: "HEAD_ID",
    flag: "--head-id",
    help: "the repository of the hub that mlp_weights.npz is fetched from",
  }),
  visionId: setting({
    kind: repositoryName,
    default: "jinaai/jina-reranker-m0",
    environment: "VISION_ID",
    flag: "--vision-id",
    help: "the repository of the hub whose safetensors files download --vision reads the vision tower from",
  }),
};

/** The hub's other clients read these variables too. */
export const hubAccessRows = {
  hfEndpoint: setting({
    kind: address,
    default: "https://huggingface.co",
    environment: "HF_ENDPOINT",
    flag: "--hf-endpoint",
    help: "the hub, or a mirror of it",
  }),
  hfToken: setting({
    kind: pattern("a token without spaces", "<token>", /^[\x21-\x7e]+$/),
    default: undefined,
    defaultText: "the file token in HF_HOME",
    environment: "HF_TOKEN",
    flag: "--hf-token",
    secret: true,
    help: "for private and gated repositories; other users of the machine can see a flag, but not a variable",
  }),
  hfHome: setting({
    kind: text("a folder", "<path>"),
    default: undefined,
    defaultText: "~/.cache/huggingface",
    environment: "HF_HOME",
    flag: "--hf-home",
    help: "the folder of the hub's clients, shared with other tools",
  }),
  hfHubCache: setting({
    kind: text("a folder", "<path>"),
    default: undefined,
    defaultText: "hub in HF_HOME",
    environment: "HF_HUB_CACHE",
    flag: "--hf-hub-cache",
    help: "the cache of the hub's files",
  }),
  hfHubOffline: setting({
    kind: toggle(),
    default: false,
    environment: "HF_HUB_OFFLINE",
    flag: "--hf-hub-offline",
    help: "never ask the hub, use the cache alone",
  }),
};
