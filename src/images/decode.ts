/**
 * Decodes untrusted bytes with sharp, which is libvips. Only the loaders of four formats exist: all others are blocked, for the
 * whole process, so this runs in a process of its own (decoder-main.ts). Colours are converted as Pillow does, without colour
 * management; what is transparent becomes white, and EXIF's orientation is applied.
 */

import type { SharpInput, SharpOptions } from "sharp";
import { RerankError } from "../errors.js";
import type { Pixels } from "./bicubic.js";

export type Decode = (bytes: Uint8Array, maxPixels: number) => Promise<Pixels>;

const loaders = ["Jpeg", "Png", "Webp", "Nsgif"].map((name) => `VipsForeignLoad${name}Buffer`);

/** Throws what `import` throws when sharp is not installed. */
export async function openDecoder(): Promise<Decode> {
  const { default: sharp } = await import("sharp");
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: loaders });
  // Nothing is decoded twice, and memory is returned when it ends.
  sharp.cache(false);
  sharp.concurrency(1);

  return async (bytes, maxPixels) => {
    // As Pillow, cut files are an error, and what libraries only warn of is not. Of an animation this reads the first frame.
    const options: SharpOptions = { failOn: "error", limitInputPixels: maxPixels, ignoreIcc: true };
    const input: SharpInput = bytes;
    try {
      const { space } = await sharp(input, options).metadata();
      const image = sharp(input, options).autoOrient();
      const cmyk = space === "cmyk";
      const converted = cmyk
        ? image.pipelineColourspace("cmyk").toColourspace("cmyk")
        : image.flatten({ background: "#ffffff" }).toColourspace("srgb");
      const { data, info } = await converted.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
      const { width, height, channels } = info;
      if (channels !== (cmyk ? 4 : 3)) throw new Error(`${channels} channels`);
      return { width, height, rgb: cmyk ? rgbOfCmyk(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (/pixel limit/.test(message)) {
        throw new RerankError("image_too_large", `expected at most ${maxPixels} pixels, got more`, { cause: error });
      }
      throw new RerankError("image_invalid", `expected an image that can be decoded, got one that cannot: ${firstLine(message)}`);
    }
  };
}

/** What ink leaves of the light that black leaves, rounded as in Pillow's convert("RGB"). */
function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const light = 255 - (cmyk[from + 3] ?? 0);
    for (let channel = 0; channel < 3; channel++) {
      const product = (cmyk[from + channel] ?? 0) * light + 128;
      rgb[to + channel] = light - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** libvips names the fault and repeats nothing of the image. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0]?.slice(0, 100) ?? "";
}
