// Written by `caddy cloudid migrate`: starts all functions in one process, behind the preload that tells their calls apart.
process.chdir(__dirname)
process.env.CLOUDID_GATEWAY ??= 'http://127.0.0.1:9080'
process.env.CLOUDID_LISTEN ??= '127.0.0.1'
require('./cloudid-preload.cjs')

process.argv.splice(2, process.argv.length,
  `--port=${process.env.PORT || 3000}`,
  '--functionsConfigFile=cloudbase-functions.json',
  `--logDirname=${process.env.LOGS_DIRECTORY || 'logs'}`)
require('./node_modules/@cloudbase/functions-framework/bin/tcb-ff.js')
