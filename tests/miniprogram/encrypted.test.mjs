// Devices that are given encryptedData and iv: the function sees what it sees of a CloudID.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { device } from './device.mjs'
import { program } from './program.mjs'
import { appid, startRig } from './rig.mjs'

let rig

function start (options) {
  const { wx, state } = device({ sandbox: rig.sandbox, ...options })
  const run = program(wx, rig.url)
  run.launch()
  return { wx, state, ...run }
}

/** What the function of pages/bind.js received on such a device. */
async function received (options) {
  const { page, state } = start(options)
  const bind = page('bind.js')
  await bind.onLoad()
  await bind.onSync()
  assert.equal(state.logins, 1)
  return bind.data.result
}

for (const cloudid of ['encrypted_data', 'encrypted_data\n fields weRunData']) describe(`data: { weRunData: res }, with ${cloudid}`, () => {
  before(async () => { rig = await startRig({ login: 'session_key', cloudid }) })
  after(() => rig.stop())

  test('from a device with a CloudID, and from one without: the function sees the same', async () => {
    const [modern, pc] = [await received({ cloudIDs: true }), await received({ cloudIDs: false })]
    assert.match(modern.event.weRunData.cloudID, /^[0-9]+_/)
    assert.equal(pc.event.weRunData.cloudID, '')
    for (const { event, openid, openData } of [modern, pc]) {
      assert.deepEqual(Object.keys(event), ['weRunData', 'n'])
      assert.deepEqual(Object.keys(event.weRunData), ['cloudID', 'data'])
      assert.equal(event.weRunData.data.watermark.appid, appid)
      assert.equal(openid, 'openid-of-alice')
      assert.deepEqual(openData, ['weRunData'])
    }
    const steps = ({ event }) => event.weRunData.data.stepInfoList
    assert.ok(steps(pc).length > 0)
    assert.deepEqual(steps(pc), steps(modern))
  })

  test('when WeChat has dropped the session_key: a new login, and data asked for again is readable', async () => {
    const { page, state } = start({ cloudIDs: false })
    const bind = page('bind.js')
    await bind.onLoad()
    state.sessionKeyDropped = true
    await bind.onSync()
    assert.equal(state.logins, 2)
    assert.equal(bind.data.result.event.weRunData.errCode, -601005)
    assert.deepEqual(bind.data.result.openData, [])
    await bind.onSync()
    assert.equal(state.logins, 2)
    assert.ok(bind.data.result.event.weRunData.data.stepInfoList)
  })

  test('with a session from before the gateway kept keys: 401, and a new login', async () => {
    const { wx, state, client } = start({ cloudIDs: false })
    const cloud = client()
    cloud.install({ url: rig.url, loginPath: '/login-without-options' })
    await cloud.login()
    const [[key, stored]] = state.storage
    state.storage.set(key.replace('-without-options', ''), stored)
    cloud.install({ url: rig.url })

    const weRunData = await wx.getWeRunData()
    const { result } = await wx.cloud.callFunction({ name: 'echo', data: { weRunData } })
    assert.equal(state.logins, 2)
    assert.ok(result.event.weRunData.data.stepInfoList)
  })
})
