// A js-libp2p peer with Noise and yamux over TCP, and nothing else but ping.
//   node --import ./polyfill.mjs peer.mjs dial MULTIADDR COUNT    pings and prints one JSON line
//   node --import ./polyfill.mjs peer.mjs listen                  prints its address, answers until its input ends
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [,, command, address, count] = process.argv

const node = await createLibp2p({
  addresses: { listen: command === 'listen' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { ping: ping() }
})

if (command === 'listen') {
  console.log(node.getMultiaddrs()[0].toString())
  process.stdin.resume()
  await new Promise(resolve => process.stdin.on('end', resolve))
} else {
  const connection = await node.dial(multiaddr(address))
  const roundTrips = []
  for (let i = 0; i < Number(count); i++) roundTrips.push(await node.services.ping.ping(multiaddr(address)))
  console.log(JSON.stringify({
    peer: connection.remotePeer.toString(),
    encryption: connection.encryption,
    multiplexer: connection.multiplexer,
    pings: roundTrips.length
  }))
}
await node.stop()
