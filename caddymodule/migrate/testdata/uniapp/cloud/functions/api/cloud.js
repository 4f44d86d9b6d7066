const cloud = require('wx-server-sdk')
cloud.init()
cloud.greeting = 'hello'
module.exports = cloud
