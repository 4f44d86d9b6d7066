// Written by `caddy cloudid migrate`: starts all functions in one process, behind the preload that tells their calls apart.
const fs = require('fs')
const path = require('path')
const { pathToFileURL } = require('url')

process.chdir(__dirname)
process.env.CLOUDID_GATEWAY ??= 'http://127.0.0.1:9080'
process.env.CLOUDID_LISTEN ??= '127.0.0.1'
require('./cloudid-preload.cjs')

// One function that does not load would end the process for all, so it is left out, and the log says why.
async function loaded (f) {
  try {
    const file = require.resolve(path.resolve(f.directory, f.source || '.'))
    const { module, imported } = await load(file)
    const main = module.main
    if (typeof main !== 'function') throw new Error('it exports no function main')
    if (main.length > 2) return foundHere(f, withCallback(main))
    return imported ? foundHere(f, main) : f
  } catch (err) {
    console.error(`The function ${f.name} does not load, so it is not served:`, err)
  }
}

// What tcb-ff would not load as it should it finds here: an ES module cannot be changed, and one that waits cannot be required.
function foundHere (f, main) {
  const target = `main${Object.keys(exports).length}`
  exports[target] = main
  return { ...f, directory: '.', source: path.basename(__filename), target }
}

// In the cloud a function may give its result to a callback, its third parameter.
function withCallback (main) {
  return (event, context) => new Promise((resolve, reject) => {
    const result = main(event, context, (err, value) => err ? reject(err) : resolve(value))
    if (result !== undefined) resolve(result)
  })
}

async function load (file) {
  try {
    return { module: require(file), imported: false }
  } catch (err) {
    if (err.code !== 'ERR_REQUIRE_ESM' && err.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw err
    return { module: await import(pathToFileURL(file)), imported: true }
  }
}

async function start () {
  const config = require('./cloudbase-functions.json')
  const functions = []
  for (const f of config.functions) {
    const entry = await loaded(f)
    if (entry) functions.push(entry)
  }
  const logs = path.resolve(process.env.LOGS_DIRECTORY || 'logs') // the only folder that the unit may write to
  fs.mkdirSync(logs, { recursive: true })
  const file = path.join(logs, 'cloudbase-functions.json')
  fs.writeFileSync(file, JSON.stringify({ ...config, functions, functionsRoot: path.relative(logs, __dirname) }))

  process.argv.splice(2, process.argv.length,
    `--port=${process.env.PORT || 3000}`,
    `--functionsConfigFile=${file}`,
    `--logDirname=${logs}`)
  require('./node_modules/@cloudbase/functions-framework/bin/tcb-ff.js')
}

start()
