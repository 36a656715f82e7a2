/**
 * An npm registry on this machine that has the packages of tarballs, as if they were published. A package manager that is
 * pointed at it resolves them as it would the published ones, with `os`, `cpu` and `libc`. Every other request is redirected to
 * the registry that npm is configured with.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";

const published = new Date(0).toISOString();

/** What a registry answers for a package with one version. */
function packument({ manifest, integrity, shasum }, tarball) {
  const { name, version } = manifest;
  const dist = { tarball, integrity, shasum };
  return {
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    time: { created: published, modified: published, [version]: published },
  };
}

/** `tarballs` are those of tarballsIn(). Returns its URL and a function that closes it. */
export async function startRegistry({ tarballs, upstream }) {
  const packages = new Map(tarballs.map((tarball) => [tarball.manifest.name, tarball]));

  const server = createServer((request, response) => {
    const path = request.url.slice(1).split("?")[0];
    const [name, file] = decodeURIComponent(path).split("/-/");
    const found = request.method === "GET" ? packages.get(name) : undefined;
    if (found === undefined) {
      response.writeHead(307, { location: new URL(request.url.slice(1), upstream).href }).end();
    } else if (file === undefined) {
      const { port } = server.address();
      const tarball = `http://127.0.0.1:${port}/${name}/-/${name.split("/").at(-1)}-${found.manifest.version}.tgz`;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(packument(found, tarball)));
    } else {
      createReadStream(found.file).pipe(response.writeHead(200, { "content-type": "application/octet-stream" }));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
