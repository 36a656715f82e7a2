/** The command line is wrong: the process ends with 2. */
export class UsageError extends Error {}
