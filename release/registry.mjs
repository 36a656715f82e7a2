/**
 * An npm registry on this machine that has the packages of tarballs, as if they were published. A package manager that is
 * pointed at it resolves them as it would the published ones, with `os`, `cpu` and `libc`. Every other request is redirected to
 * the registry that npm is configured with.
 *
 * A package of another platform has its manifest here and no tarball: a manager that fetches what does not fit the machine gets
 * a 404.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";

const published = new Date(0).toISOString();

/** What a registry answers for a package with one version. */
function packument({ manifest, integrity, shasum }, tarball) {
  const { name, version } = manifest;
  const dist = { tarball, ...(integrity && { integrity, shasum }) };
  return {
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    time: { created: published, modified: published, [version]: published },
  };
}

/**
 * `tarballs` are those of tarballsIn(); `manifests` of packages without one. Returns its URL, the tarballs that were asked for,
 * and a function that closes it.
 */
export async function startRegistry({ tarballs, manifests = [], upstream }) {
  const packages = new Map(manifests.map((manifest) => [manifest.name, { manifest }]));
  for (const tarball of tarballs) packages.set(tarball.manifest.name, tarball);
  const fetched = [];

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
      fetched.push(name);
      if (found.file === undefined) response.writeHead(404).end();
      else createReadStream(found.file).pipe(response.writeHead(200, { "content-type": "application/octet-stream" }));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    fetched,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
