const request = require('request')
const Users = require('./controllers/users')

exports.main = event => new Users(request).show(event)
