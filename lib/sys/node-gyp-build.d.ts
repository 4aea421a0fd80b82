declare module 'node-gyp-build' {
  /** Loads the addon of the package in `directory`: built there, or shipped in its prebuilds/. */
  export default function load(directory: string): unknown;
}
