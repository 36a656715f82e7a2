/** Images: the vision tower, and what an image may be. */

import { list, text, toggle, wholeNumber } from "../kinds.js";
import { setting } from "../setting.js";

/** Where the tower is. Both win over what lies beside the model. */
export const visionRows = {
  mmprojPath: setting({
    kind: text("the path of a GGUF file", "<path>"),
    default: undefined,
    environment: "MMPROJ_PATH",
    flag: "--mmproj",
    help: "the vision tower (mmproj), with which images are scored too",
  }),
  images: setting({
    kind: toggle(),
    default: undefined,
    defaultText: "true with MMPROJ_PATH, else false",
    environment: "IMAGES",
    flag: "--images",
    help: "true: score images; without MMPROJ_PATH with the tower beside the model or in the cache, which is made as by `download --vision` where it is missing for a model of the hub; false: refuse them in any case",
  }),
};

/** Options of the library, under the same names. Every command that loads a model takes these. */
export const imageRows = {
  imageMaxTokens: setting({
    kind: wholeNumber(4, 768),
    default: 768,
    environment: "IMAGE_MAX_TOKENS",
    flag: "--image-max-tokens",
    help: "tokens an image may have; larger ones are made smaller: fewer tokens take less time and show less",
  }),
  imageMaxMb: setting({
    kind: wholeNumber(1, 511),
    default: 10,
    environment: "IMAGE_MAX_MB",
    flag: "--image-max-mb",
    help: "MiB of an image's file; larger ones get 422",
  }),
  imageMaxPixels: setting({
    kind: wholeNumber(1, 1_000_000_000),
    default: 50_000_000,
    environment: "IMAGE_MAX_PIXELS",
    flag: "--image-max-pixels",
    help: "pixels of an image as it was sent; larger ones get 422. Decoding takes up to 10 bytes of memory for each",
  }),
  imageUrls: setting({
    kind: list(
      "hosts such as pages.example or *.pages.example, separated by commas, or *",
      "<host,…>",
      /^(\*|(\*\.)?[a-z\d_-]+(\.[a-z\d_-]+)*)$/i,
    ),
    default: undefined,
    defaultText: "none",
    environment: "IMAGE_URLS",
    flag: "--image-urls",
    help: "hosts that images given by URL may be fetched from, * = all; only public addresses, ports 80 and 443, no redirects",
  }),
  imageCacheMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: 256,
    environment: "IMAGE_CACHE_MB",
    flag: "--image-cache-mb",
    help: "MiB of host memory for recent images as the tower encoded them, 2.3 for one of 768 tokens, 0 = off",
  }),
};
