/** What a load is busy with, in words. */

export type LoadActivity = "fetching" | "hashing" | "timing" | "converting" | "waiting" | "loading";

export const activityNotice: Readonly<Record<LoadActivity, string>> = {
  fetching: "the model's files are being fetched",
  hashing: "the model's checksum is being computed",
  timing: "precisions of the weights are being timed, once",
  converting: "the weights are being converted for this machine, once",
  waiting: "the weights are being converted by another process",
  loading: "the model is being loaded",
};
