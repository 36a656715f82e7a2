/** The error table's codes in groups, so that tests can check that each code was seen. */

import { type ErrorCode, type ErrorDescription, errorTable } from "../../src/errors.js";

function isCode(code: string): code is ErrorCode {
  return code in errorTable;
}

const reachable = Object.keys(errorTable)
  .filter(isCode)
  .filter((code) => {
    const { only }: ErrorDescription = errorTable[code];
    return only !== "start" && only !== "library";
  });

/** Codes of a wrong image, which a service with a vision tower answers with. */
export const imageFaults = reachable.filter((code) => code.startsWith("image_") || code === "too_many_images");

/** Codes that another wrong request alone causes; a missing key, load and time are other causes. */
export const clientFaults = reachable.filter((code) => {
  const { status } = errorTable[code];
  return status < 500 && ![401, 429, 499].includes(status) && !imageFaults.includes(code);
});

export const otherFaults = reachable.filter((code) => !clientFaults.includes(code) && !imageFaults.includes(code));
