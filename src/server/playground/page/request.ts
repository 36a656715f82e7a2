/** The request as it is sent: pictures become data: URIs, which is when their files are read. */

import { RerankClientError, type RerankRequest, type Content as Sent } from "../../../client/index.js";
import { type Content, type Input, isPicture, type Picture, picturesIn } from "./content.js";
import { type Limits, megabytes } from "./limits.js";

/** Rejects with a RerankClientError when a file can no longer be read. */
export async function requestOf({ query, documents, topK }: Input): Promise<RerankRequest<Sent>> {
  return {
    query: await sent(query),
    documents: await Promise.all(documents.map(sent)),
    ...(topK !== undefined && { topK }),
  };
}

/** Why the server would refuse the request for its size; told before megabytes are sent. */
export function refusalOf(input: Input, limits: Limits | undefined): RerankClientError | undefined {
  const pictures = picturesIn(input);
  if (pictures.length === 0) return undefined;
  const { imageCount, bodyBytes } = limits ?? {};
  if (imageCount !== undefined && pictures.length > imageCount) {
    return new RerankClientError("too_many_images", `${pictures.length} images; this server takes ${imageCount} in a request`);
  }
  const bytes = bodyBytesOf(input);
  if (bodyBytes === undefined || bytes <= bodyBytes) return undefined;
  return new RerankClientError(
    "body_too_large",
    `with its images the request has ${megabytes(bytes)}; this server takes ${megabytes(bodyBytes)}: remove some, or choose smaller files`,
  );
}

/** Base64 takes 4 bytes for 3. */
function bodyBytesOf(input: Input): number {
  const texts = JSON.stringify([input.query, ...input.documents]);
  const encoded = picturesIn(input).map(({ file }) => 4 * Math.ceil(file.size / 3));
  return encoded.reduce((sum, bytes) => sum + bytes, new TextEncoder().encode(texts).length);
}

async function sent(content: Content): Promise<Sent> {
  return isPicture(content) ? { image: { data: await dataUri(content) } } : content;
}

function dataUri({ file }: Picture): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => {
      const message = `${file.name} can no longer be read: was it moved or changed? Remove it and add it again`;
      reject(new RerankClientError("image_invalid", message, { cause: reader.error }));
    };
    reader.readAsDataURL(file);
  });
}
