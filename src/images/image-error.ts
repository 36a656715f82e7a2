/** The errors that an image can cause, in the shape of src/errors.ts. */

import type { ErrorDescription } from "../errors.js";

export const imageErrorTable = {
  image_invalid: {
    status: 422,
    when: "An image is not a JPEG, PNG, WebP or GIF that can be read, or not strict base64, or its sides differ more than 200 times.",
  },
  image_too_large: { status: 422, when: "An image has more than IMAGE_MAX_MB or IMAGE_MAX_PIXELS." },
  too_many_images: { status: 422, when: "More images than MAX_IMAGES." },
  image_url_not_allowed: {
    status: 422,
    when: "IMAGE_URLS does not allow the image's URL, or its host has an address that is not public.",
  },
  image_unreachable: { status: 422, when: "The image's URL does not answer with the image within the time allowed." },
  images_not_supported: { status: 422, when: "Images cannot be read here; the message says what to install." },
} as const satisfies Record<string, ErrorDescription>;

export type ImageErrorCode = keyof typeof imageErrorTable;

export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly code: ImageErrorCode;

  /** No message repeats what a client or another host sent, except a URL's host. */
  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return imageErrorTable[this.code].status;
  }

  /** The same error, whose message begins with the field that holds the image, such as `documents[3]`. */
  in(field: string): ImageError {
    return new ImageError(this.code, `${field}: ${this.message}`, { cause: this });
  }
}
