/** What went wrong, in the server's own words. */

import type { RerankClientError } from "../../../client/index.js";

export function Failure({ failure }: { failure: RerankClientError }) {
  const { message, code, status, retryAfterSeconds, requestId } = failure;
  return (
    <div class="failure" role="alert">
      <p>{message}</p>
      <p class="detail">
        <code>{code}</code>
        {status !== undefined && ` · status ${status}`}
        {retryAfterSeconds !== undefined && ` · try again in ${Math.ceil(retryAfterSeconds)} s`}
        {requestId !== undefined && (
          <>
            {" · request "}
            <code>{requestId}</code>
          </>
        )}
      </p>
    </div>
  );
}
