// `caddy cloudid migrate` on the projects of caddymodule/migrate/testdata: what it writes is started as it stands there, but
// for its ports, and each function that "runs unchanged" is called through the client module that it wrote.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { device } from './device.mjs'
import { here, clientFile, program } from './program.mjs'
import { builtCaddy, end, freeAddress, listening, startCaddy } from './rig.mjs'

const projects = path.join(here, '../../caddymodule/migrate/testdata')
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'migrate-'))
let caddy
before(() => { process.env.CADDY = caddy = builtCaddy(folder) })
after(() => fs.rmSync(folder, { recursive: true, force: true }))

// By project: the event of each function that runs unchanged, and what its result must be.
const calls = {
  quickstart: {
    login: [{ a: 1 }, result => assert.equal(result.openid, 'openid-of-alice')],
    openapi: [{ action: 'getWXACode' }, result => assert.deepEqual([result.contentType, result.size > 50], ['image/png', true])]
  },
  router: { router: [{ $url: 'user' }, result => assert.deepEqual(result, { code: 0, data: { openid: 'openid-of-alice' } })] },
  typescript: {
    steps: [async wx => ({ weRunData: wx.cloud.CloudID((await wx.getWeRunData()).cloudID) }), result => {
      assert.equal(result.openid, 'openid-of-alice')
      assert.ok(result.total > 0)
    }]
  },
  taro: { hello: [{ name: 'x' }, result => assert.deepEqual(result, { hello: 'x' })] },
  shared: {
    add: [{ a: 2, b: 3 }, result => assert.deepEqual(result, { code: 0, sum: 5, who: 'openid-of-alice' })],
    mul: [{ a: 2, b: 3 }, result => assert.deepEqual(result, { code: 0, product: 6 })],
    both: [{ a: 2, b: 3 }, result => assert.deepEqual([result.sum, result.product], [5, 6])]
  },
  openapi: {
    message: [{ touser: 'openid-of-alice' }, result => assert.equal(result.errCode, 0)],
    picture: [{}, result => assert.deepEqual(result, { contentType: 'image/png', png: 'PNG' })],
    check: [{ text: 'hello' }, result => assert.equal(result.errCode, 0)],
    named: [{ family: 'wxacode', name: 'getUnlimited', args: { scene: 'a' } }, result => assert.equal(result.contentType, 'image/png')]
  },
  timers: { nightly: [{ TriggerName: 'by hand' }, result => assert.deepEqual(result, { ran: 'by hand' })] },
  phone: {
    byCloudID: [async (wx, sandbox) => {
      const response = await fetch(`${sandbox}/sandbox/cloudid`, { method: 'POST', body: JSON.stringify({ openid: 'openid-of-alice', kind: 'phone' }) })
      return { cloudID: (await response.json()).cloudID }
    }, result => assert.match(result, /^\+?\d+$/)],
    byCode: [{ code: 'made-up' }, result => assert.match(result, /^\+?\d+$/)]
  },
  uniapp: { api: [{ a: 1 }, result => assert.deepEqual([result.greeting, result.openid, result.event.a], ['hello', 'openid-of-alice', 1])] },
  database: { hello: [{}, result => assert.equal(result, 'hello')] }
}

for (const [name, functions] of Object.entries(calls)) {
  describe(name, () => {
    let running
    before(async () => { running = await start(name) })
    after(() => running && running.stop())

    test('the client module is the one of this repository', () => {
      assert.deepEqual(fs.readFileSync(path.join(running.out, 'miniprogram/cloud.js')), fs.readFileSync(clientFile))
    })

    test('every function that runs unchanged is called here', () => {
      const unchanged = running.report.functions.filter(f => f.verdict === 'runs unchanged').map(f => f.name)
      assert.deepEqual(unchanged.sort(), Object.keys(functions).sort())
    })

    for (const [called, [event, check]] of Object.entries(functions)) {
      test(`${called} runs`, async () => {
        const { wx } = device({ sandbox: running.sandbox })
        program(wx).client().install({ url: running.gateway })
        const data = typeof event === 'function' ? await event(wx, running.sandbox) : event
        const { result } = await wx.cloud.callFunction({ name: called, data })
        check(result)
      })
    }
  })
}

test('a timer calls its function in nobody\'s name, with the line of its unit', async () => {
  const running = await start('timers')
  try {
    const unit = fs.readFileSync(path.join(running.out, 'systemd/cloudid-nightly-atTwo.service'), 'utf8')
    const line = /^ExecStart=(.*)$/m.exec(unit)[1].replaceAll('127.0.0.1:9080', running.address('9080')).replaceAll('%%', '%')
    const called = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
    assert.equal(called.status, 0, called.stderr)
    assert.deepEqual(JSON.parse(called.stdout).result, { ran: 'atTwo' })
  } finally { await running.stop() }
})

// Functions that ask for different versions, for a package of the project, and one that the report cannot know to fail.
test('each function runs with the packages that it asks for, and one that fails to load stops no other', async () => {
  const project = path.join(folder, 'packages')
  const files = {
    'project.config.json': '{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"cloud [x]"}',
    'cloud [x]/common/package.json': '{"name":"common","version":"1.0.0","main":"lib/main.js"}',
    'cloud [x]/common/lib/main.js': "exports.version = () => require('wx-server-sdk/package.json').version",
    'cloud [x]/fails/index.js': "process.env.NOT_SET.split(',')\nexports.main = () => 1",
    'cloud [x]/callback/index.js': 'exports.main = (event, context, callback) => { setTimeout(() => callback(null, { n: event.n }), 10) }',
    'cloud [x]/module/index.js': "import cloud from 'wx-server-sdk'\ncloud.init()\nexport const main = () => cloud.getWXContext().OPENID",
    'cloud [x]/module/package.json': '{"name":"same","type":"module","dependencies":{"wx-server-sdk":"~3.0.4"}}'
  }
  for (const [name, version] of Object.entries({ first: '~3.0.4', second: '~2.6.3', third: '3.0.4', fourth: '~2.6.3' })) {
    files[`cloud [x]/${name}/package.json`] = JSON.stringify({
      name: 'same', scripts: { preinstall: 'exit 1' }, devDependencies: { 'no-such-package': 'file:nowhere' },
      dependencies: { 'wx-server-sdk': version, ...(name === 'first' && { common: 'file:../common' }) }
    })
    files[`cloud [x]/${name}/index.js`] = name === 'first'
      ? "exports.main = () => require('common').version()"
      : "exports.main = () => require('wx-server-sdk/package.json').version"
  }
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(project, name)), { recursive: true })
    fs.writeFileSync(path.join(project, name), text)
  }
  const running = await start(project, out => {
    const npm = spawnSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: out, encoding: 'utf8' })
    assert.equal(npm.status, 0, npm.stderr)
  })
  try {
    const { wx } = device({ sandbox: running.sandbox })
    program(wx).client().install({ url: running.gateway })
    const call = async name => (await wx.cloud.callFunction({ name, data: { n: 1 } })).result
    assert.deepEqual(await call('callback'), { n: 1 })
    assert.equal(await call('first'), '3.0.4')
    assert.equal(await call('second'), '2.6.3')
    assert.equal(await call('third'), '3.0.4')
    assert.equal(await call('module'), 'openid-of-alice')
    await assert.rejects(call('fails'))
    assert.match(fs.readFileSync(path.join(running.out, 'project/cloud [x]/fourth/node_modules/wx-server-sdk/package.json'), 'utf8'), /"2\.6\.3"/)
  } finally { await running.stop() }
})

// What npm install would bring to the projects of testdata, in locked versions.
const installed = out => fs.symlinkSync(path.join(here, 'node_modules'), path.join(out, 'node_modules'))

// Migrates a project and starts what was written.
async function start (name, install = installed) {
  const out = path.join(folder, path.basename(name) + Math.random().toString(36).slice(2))
  const migrate = spawnSync(caddy, ['cloudid', 'migrate', path.resolve(projects, name), '--out', out, '--json'], { encoding: 'utf8' })
  assert.ok(migrate.status === 0 || migrate.status === 1, migrate.stderr)
  const report = JSON.parse(migrate.stdout)
  install(out)

  const addresses = new Map()
  const text = fs.readFileSync(path.join(out, 'Caddyfile'), 'utf8')
  for (const [, port] of text.matchAll(/127\.0\.0\.1:(\d+)/g)) {
    if (!addresses.has(port)) addresses.set(port, await freeAddress())
  }
  let config = text.replace(/127\.0\.0\.1:(\d+)/g, (_, port) => addresses.get(port)).replace(/^\{$/m, '{\n\tadmin off')
  if (name === 'openapi') config = config.replace(/openapi .*/, 'openapi *') // of `named`, which names are called only running tells
  Object.assign(process.env, { SANDBOX: `http://${addresses.get('8090')}`, WECHAT_SECRET: 'made-up-for-the-sandbox' }) // for Caddy
  const gateway = startCaddy(config, out)
  const functions = spawn('npm', ['start'], {
    cwd: out, detached: true, stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PORT: addresses.get('3000').split(':')[1], CLOUDID_GATEWAY: `http://${addresses.get('9080')}` }
  })
  let log = ''
  functions.stderr.on('data', part => { log += part })
  const stop = async () => {
    await end(gateway)
    if (functions.exitCode === null) {
      process.kill(-functions.pid)
      await new Promise(resolve => functions.once('exit', resolve))
    }
  }
  try {
    await Promise.all([...addresses].filter(([port]) => port !== '3000').map(([, address]) => listening(address, gateway)))
    await listening(addresses.get('3000'), functions)
  } catch (err) {
    await stop()
    throw new Error(`${err.message}\n${log.slice(-2000)}`)
  }
  return { out, report, stop, sandbox: `http://${addresses.get('8090')}`, gateway: `http://${addresses.get('8080')}`, address: port => addresses.get(port) }
}
