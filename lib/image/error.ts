// What people can act on: one line that says what is wrong and what to do next.

export class ImageError extends Error {
  override readonly name = 'ImageError';
}
