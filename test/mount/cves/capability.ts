// File capabilities as bytes.

/** cap_net_bind_service+ep, revision 2. */
export const capability = '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0';

/** The same in revision 3: it counts where `rootid` is root. */
export function capabilityOf(rootid: number): string {
  const bytes = Buffer.alloc(24);
  bytes.write(capability, 0, 'latin1');
  bytes[3] = 3;
  bytes.writeUInt32LE(rootid, 20);
  return bytes.toString('latin1');
}
