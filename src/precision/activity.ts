/** What each activity of a load is called in logs and progress bars. */

import type { LoadActivity } from "../types.js";

export const activityNotice: Readonly<Record<LoadActivity, string>> = {
  fetching: "the model's files are being fetched",
  hashing: "the model's checksum is being computed",
  timing: "precisions of the weights are being timed, once",
  converting: "the weights are being converted for this machine, once",
  waiting: "the weights are being converted by another process",
  loading: "the model is being loaded",
};
