/** Which package fits a system's C library, and how that library is recognised. */

import { closeSync, openSync, readSync } from "node:fs";
import { expect, test } from "vitest";
import { elfInterpreter, type Libc, type LibcSigns, libcOf, processLibc } from "../../src/native/libc.js";

test.each<[string, LibcSigns, Libc | undefined]>([
  ["Debian", { interpreter: "/lib64/ld-linux-x86-64.so.2" }, "glibc"],
  ["Debian on Arm", { interpreter: "/lib/ld-linux-aarch64.so.1" }, "glibc"],
  ["NixOS", { interpreter: "/nix/store/abc-glibc-2.38-27/lib/ld-linux-x86-64.so.2" }, "glibc"],
  ["Alpine", { interpreter: "/lib/ld-musl-x86_64.so.1" }, "musl"],
  ["Alpine on Arm", { interpreter: "/lib/ld-musl-aarch64.so.1" }, "musl"],
  ["an executable started through musl's loader", { interpreter: "/opt/lib/ld-musl-x86_64.so.1" }, "musl"],
  ["one started through musl's loader in Debian, a link", { interpreter: "/usr/lib/x86_64-linux-musl/libc.so" }, "musl"],
  ["a static executable", { interpreter: "/usr/local/bin/node" }, undefined],
  ["Bun on musl, whose report has a version of glibc", { interpreter: "/lib/ld-musl-x86_64.so.1", glibcVersion: "2.29" }, "musl"],
  ["a report of glibc", { glibcVersion: "2.36" }, "glibc"],
  ["a report of musl", { sharedObjects: ["/usr/lib/libstdc++.so.6", "/lib/ld-musl-aarch64.so.1"] }, "musl"],
  ["a report of musl that names its library", { sharedObjects: ["/lib/libc.musl-x86_64.so.1"] }, "musl"],
  ["a report of glibc's libraries", { sharedObjects: ["linux-vdso.so.1", "/lib/x86_64-linux-gnu/libc.so.6"] }, "glibc"],
  ["nothing", {}, undefined],
  ["an empty version", { glibcVersion: "" }, undefined],
])("the C library is seen from %s", (_, signs, expected) => {
  expect(libcOf(signs)).toBe(expected);
});

/** The start of an executable with one program header. */
function elf({ type = 3, interpreter = "/lib/ld-musl-x86_64.so.1\0", class64 = 2 } = {}): Buffer {
  const head = Buffer.alloc(256);
  head.writeUInt32BE(0x7f454c46, 0);
  head[4] = class64;
  head[5] = 1;
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(type, 64);
  head.writeBigUInt64LE(120n, 72);
  head.writeBigUInt64LE(BigInt(interpreter.length), 96);
  head.write(interpreter, 120);
  return head;
}

test.each<[string, Buffer, string | undefined]>([
  ["an executable", elf(), "/lib/ld-musl-x86_64.so.1"],
  ["one without an interpreter", elf({ type: 1 }), undefined],
  ["one with an empty one", elf({ interpreter: "\0" }), undefined],
  ["a 32-bit one", elf({ class64: 1 }), undefined],
  ["one that is cut short", elf().subarray(0, 100), undefined],
  ["one that ends in its header", elf().subarray(0, 40), undefined],
  ["a script", Buffer.from(`#!/bin/sh\n${" ".repeat(100)}`), undefined],
])("the interpreter of %s", (_, head, expected) => {
  expect(elfInterpreter(head)).toBe(expected);
});

test.skipIf(process.platform !== "linux")("this process's C library is the one that its executable names", () => {
  const head = Buffer.alloc(4096);
  const descriptor = openSync(process.execPath, "r");
  readSync(descriptor, head, 0, head.length, 0);
  closeSync(descriptor);
  expect(elfInterpreter(head)).toMatch(/ld-(linux|musl)-/);
  expect(processLibc()).toBe(elfInterpreter(head)?.includes("musl") ? "musl" : "glibc");
});
