/** The queue's limit protects from requests of others. A command's own always fit. */
export const ownQueue = { maxQueuedPairs: 10_000_000 };
