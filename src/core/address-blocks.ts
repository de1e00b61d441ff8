import { BlockList, isIP } from 'node:net';

/** Blocks of addresses in CIDR notation, as conditions and policies name them. */
export class AddressBlocks {
  readonly #list = new BlockList();

  /** @param blocks checked: `10.20.0.0/16` */
  constructor(blocks: readonly string[]) {
    for (const block of blocks) {
      const [address = '', bits = ''] = block.split('/');
      this.#list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
    }
  }

  /** @param address without a port; what is no address is in no block */
  has(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}
