// Runs the files of a mini program as the framework does: each a CommonJS module that finds wx, Page, App and getApp.
import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import { fileURLToPath } from 'node:url'

export const here = path.dirname(fileURLToPath(import.meta.url))
export const clientFile = path.join(here, '../../miniprogram/cloud.js')

/**
 * A mini program under this wx. require('./cloud') is the client, require('./config').url the gateway's address; log has
 * what the program wrote with console.error. In sloppy mode, the client runs as if a build tool had dropped its 'use strict'.
 */
export function program (wx, url, mode = 'strict') {
  const modules = new Map()
  const log = []
  const pages = []
  let app
  const globals = {
    wx,
    Page: page => { pages.push(page) },
    App: definition => { app = definition },
    getApp: () => app,
    console: { ...console, error: (...words) => { log.push(words.join(' ')) } }
  }

  function load (file) {
    if (path.basename(file) === 'config.js') return { url }
    if (modules.has(file)) return modules.get(file).exports
    const module = { exports: {} }
    modules.set(file, module)
    const names = ['module', 'exports', 'require', ...Object.keys(globals)]
    const compiled = vm.compileFunction(source(file), names, { filename: file })
    compiled(module, module.exports, name => load(resolve(file, name)), ...Object.values(globals))
    return module.exports
  }

  function source (file) {
    const text = fs.readFileSync(file, 'utf8')
    return mode === 'sloppy' ? text.replace(/^'use strict'$/m, '') : text
  }

  return {
    log,
    load,
    client: () => load(clientFile),
    /** The page of a file in pages/, with setData as the framework gives it. */
    page (name) {
      load(path.join(here, 'pages', name))
      const page = pages.at(-1)
      page.data = { ...page.data }
      page.setData = data => Object.assign(page.data, data)
      return page
    },
    launch () {
      load(path.join(here, 'pages/app.js'))
      app.onLaunch()
      return app
    },
    module: name => load(path.join(here, 'pages', name))
  }
}

function resolve (from, name) {
  if (/(^|\/)cloud$/.test(name)) return clientFile
  const file = path.join(path.dirname(from), name)
  return file.endsWith('.js') ? file : `${file}.js`
}
