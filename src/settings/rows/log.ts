/** The service's log. */

import { oneOf } from "../kinds.js";
import { setting } from "../setting.js";

export const logRows = {
  logLevel: setting({
    kind: oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    default: "info",
    environment: "LOG_LEVEL",
    flag: "--log-level",
    help: "the least level that is logged; documents and queries never are",
  }),
  logFormat: setting({
    kind: oneOf("auto", "json", "pretty"),
    default: "auto",
    environment: "LOG_FORMAT",
    flag: "--log-format",
    help: "json: lines of JSON; pretty: lines for people; auto: pretty on a terminal, json elsewhere",
  }),
};
