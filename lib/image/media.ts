// Media types of what images are made of. Docker's schema 2 types mean the same as OCI's.

export const OCI = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

export const DOCKER = {
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
  layerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  layerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const;

/** The type of a layer that was packed by one or the other. */
export const layerTypes = { gzip: OCI.layerGzip, zstd: OCI.layerZstd } as const;

/** Docker's layers are OCI's; a manifest names them in one language. */
export const ociLayerTypes: Readonly<Record<string, string>> = {
  [DOCKER.layer]: OCI.layer,
  [DOCKER.layerGzip]: OCI.layerGzip,
  [DOCKER.layerZstd]: OCI.layerZstd,
};

export const manifestTypes: readonly string[] = [OCI.manifest, DOCKER.manifest];
export const indexTypes: readonly string[] = [OCI.index, DOCKER.list];
/** Docker's first format: signed manifests without a config. */
export const schema1Types: readonly string[] = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];
