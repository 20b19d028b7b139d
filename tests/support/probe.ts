import { toNano } from '@ton/core';
import { Blockchain, SandboxContract } from '@ton/sandbox';
import { Probe } from '../../wrappers/Probe';

export { Probe };

/** The contract whose getters show what the shared functions answer on chain. */
export async function deployProbe(blockchain: Blockchain): Promise<SandboxContract<Probe>> {
    const probe = blockchain.openContract(await Probe.fromInit(0n));
    const deployer = await blockchain.treasury('probe');
    await probe.send(deployer.getSender(), { value: toNano('1') }, null);
    return probe;
}
