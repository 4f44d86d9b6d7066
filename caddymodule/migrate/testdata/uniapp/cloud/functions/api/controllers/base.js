const cloud = require('../cloud')

module.exports = class Base {
  constructor () {
    this.cloud = cloud
  }
}
