// The real thing: the built gateway with the sandbox for WeChat, and functions in @cloudbase/functions-framework and in
// plain node:http. Everything listens on free ports of 127.0.0.1.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { here } from './program.mjs'

export const appid = 'wx3d289323f5900f8e'
const root = path.join(here, '../..')

/**
 * Starts all of it; stop() ends it.
 *
 * @param login    options of wechat_login
 * @param cloudid  options of cloudid
 */
export async function startRig ({ login = '', cloudid = '' } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'miniprogram-'))
  const [gateway, wechat, framework] = await Promise.all([freeAddress(), freeAddress(), freeAddress()])
  const plain = await startPlain()
  const processes = []
  const sandbox = `http://${wechat}`
  const rig = {
    url: `http://${gateway}`,
    sandbox,
    plain,
    calls: () => fetch(`${sandbox}/sandbox/calls`).then(response => response.json()),
    async stop () {
      await Promise.all(processes.map(end))
      await plain.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
  try {
    processes.push(startFramework(framework, folder))
    processes.push(startCaddy(caddyfile({ gateway, wechat, framework, plain: plain.address, login, cloudid }), folder))
    await Promise.all([listening(framework, processes[0]), listening(gateway, processes[1]), listening(wechat, processes[1])])
  } catch (err) {
    await rig.stop()
    throw err
  }
  return rig
}

const caddyfile = ({ gateway, wechat, framework, plain, login, cloudid }) => `{
	admin off
	cloudid {
		account ${appid} {
			secret made-up
			endpoint http://${wechat}
		}
	}
}
http://${gateway} {
	bind 127.0.0.1
	wechat_login /login {
		${login}
	}
	wechat_login /login-without-options
	handle_path /fn/* {
		wechat_session
		cloudid {
			${cloudid}
		}
		handle /plain {
			reverse_proxy ${plain} {
				transport http1
			}
		}
		handle {
			reverse_proxy ${framework} {
				transport http1
			}
		}
	}
	handle_errors 4xx {
		header Content-Type application/json
		respond \`{"error":{"status":{err.status_code},"message":"{err.message}"}}\`
	}
	handle_errors 5xx {
		header Content-Type application/json
		respond \`{"error":{"status":{err.status_code},"message":"{err.status_text}"}}\`
	}
}
http://${wechat} {
	bind 127.0.0.1
	cloudid_sandbox
}
`

/** Runs a gateway with this Caddyfile. */
export function startCaddy (config, folder) {
  const file = path.join(folder, 'Caddyfile')
  fs.writeFileSync(file, config)
  return start(builtCaddy(folder), ['run', '--config', file, '--adapter', 'caddyfile'], folder)
}

export function builtCaddy (folder) {
  if (process.env.CADDY) return path.resolve(process.env.CADDY)
  const file = path.join(folder, 'caddy')
  const flags = ['-tags=nobadger,nomysql,nopgx', '-buildvcs=false']
  execFileSync('go', ['build', ...flags, '-o', file, './caddymodule/cmd/caddy'], { cwd: root, stdio: 'inherit' })
  return file
}

function startFramework (address, folder) {
  const args = [
    '--require', path.join(root, 'tests/functions/loopback.cjs'),
    path.join(here, 'node_modules/@cloudbase/functions-framework/bin/tcb-ff.js'),
    `--functionsConfigFile=${path.join(here, 'functions/cloudbase-functions.json')}`,
    `--logDirname=${folder}`, `--port=${address.split(':')[1]}`
  ]
  return start(process.execPath, args, folder)
}

function start (program, args, folder) {
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const child = spawn(program, args, { cwd: here, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', text => { log = (log + text).slice(-4000) })
  child.on('exit', code => { if (code) console.error(`${path.basename(program)} ended with ${code}:\n${log}`) })
  return child
}

export function end (child) {
  if (child.exitCode !== null) return undefined
  return new Promise(resolve => {
    child.once('exit', resolve)
    child.kill()
  })
}

/** A function in node:http that responds as its event says, {status, headers, body}, and keeps what it received. */
async function startPlain () {
  const received = []
  const server = http.createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    received.push({ headers: request.headers, body, url: request.url })
    const { status = 200, headers = {}, body: answer = '', until } = JSON.parse(body)
    const recovered = until !== undefined && received.filter(call => call.body === body).length > until
    response.writeHead(recovered ? 200 : status, recovered ? { 'content-type': 'text/plain' } : headers)
    response.end(recovered ? 'recovered' : answer)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    received,
    address: `127.0.0.1:${server.address().port}`,
    close: () => new Promise(resolve => { server.close(resolve); server.closeAllConnections() })
  }
}

// Ports are given as tests/freeport gives them: from blocks that a process owns while it listens at the first port of each, below
// the range from which systems take ports, so that nobody else is given one between here and the server's start.
const first = 10000
const blocks = 400
const blockSize = 50
const ports = []

/** An address whose port is free, and is given once. */
export async function freeAddress () {
  for (let i = 0; ports.length === 0 && i < blocks; i++) {
    const guard = first + (process.pid + i) % blocks * blockSize
    const server = await listener(guard)
    if (!server) continue
    server.unref()
    for (let port = guard + 1; port < guard + blockSize; port++) ports.push(port)
  }
  const port = ports.shift()
  if (port === undefined) throw new Error('no port is free')
  const server = await listener(port)
  if (!server) return freeAddress()
  await new Promise(resolve => server.close(resolve))
  return `127.0.0.1:${port}`
}

/** A server that listens there, or undefined where another does. */
function listener (port) {
  return new Promise(resolve => {
    const server = net.createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

/** Resolves when the process accepts connections there. */
export async function listening (address, child) {
  const [host, port] = address.split(':')
  for (const end = Date.now() + 60000; Date.now() < end && child.exitCode === null;) {
    const connected = await new Promise(resolve => {
      const socket = net.connect(port, host, () => { socket.destroy(); resolve(true) })
      socket.on('error', () => resolve(false))
    })
    if (connected) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`nothing listens on ${address}`)
}
