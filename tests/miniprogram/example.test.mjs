// Caddyfile.example serves the client's defaults, as it stands there but for its ports.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { device } from './device.mjs'
import { here, program } from './program.mjs'
import { listening, end, freeAddress, startCaddy } from './rig.mjs'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'example-'))
const addresses = new Map()
let caddy

before(async () => {
  let config = fs.readFileSync(path.join(here, '../../Caddyfile.example'), 'utf8')
  for (const [, port] of config.matchAll(/127\.0\.0\.1:(\d+)/g)) {
    if (!addresses.has(port)) addresses.set(port, await freeAddress())
  }
  config = config.replace(/127\.0\.0\.1:(\d+)/g, (_, port) => addresses.get(port))
  caddy = startCaddy(config, folder)
  await Promise.all([...addresses.values()].map(address => listening(address, caddy)))
})
after(async () => {
  if (caddy) await end(caddy)
  fs.rmSync(folder, { recursive: true, force: true })
})

test('a page script with one line changed, through Caddyfile.example', async () => {
  const { wx } = device({ sandbox: `http://${addresses.get('8090')}` })
  program(wx).client().install({ url: `http://${addresses.get('8080')}` })
  const { cloudID } = await wx.getWeRunData()
  const { result, errMsg } = await wx.cloud.callFunction({ name: 'steps', data: { weRunData: wx.cloud.CloudID(cloudID), n: 1 } })
  assert.equal(errMsg, 'cloud.callFunction:ok')
  assert.equal(result.weRunData.cloudID, cloudID)
  assert.ok(result.weRunData.data.stepInfoList)
  assert.equal(result.n, 1)
})
