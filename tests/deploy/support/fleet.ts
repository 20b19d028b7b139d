/** The manifest of a fleet of one node. Keys in hex. */
export const fleetOf = (receiptKey: string, encryptionKey: string): string => `offers:
  cocoon-tiny: { prompt: 1, cached: 1, completion: 1, reasoning: 1 }
hardware:
  desk: { class: 0, gpus: 1, vram: 24, model: RTX 4090 }
sites:
  home:
    region: home
    uptime: 99
    hardware: desk
    offers: [cocoon-tiny]
    nodes:
      one: { endpoint: "https://one.example.net", receiptKey: "${receiptKey}", encryptionKey: "${encryptionKey}" }
`;
