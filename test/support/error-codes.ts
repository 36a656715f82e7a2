/** The error table's codes by whom they are met, so that tests can tell whether each of them was. */

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

/** What a request alone can be at fault for; a key, the load and time are not in it. */
export const clientFaults = reachable.filter((code) => {
  const { status } = errorTable[code];
  return status < 500 && ![401, 429, 499].includes(status);
});

export const otherFaults = reachable.filter((code) => !clientFaults.includes(code));
