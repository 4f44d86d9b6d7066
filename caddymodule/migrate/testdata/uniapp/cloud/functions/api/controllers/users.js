const Base = require('./base')

module.exports = class Users extends Base {
  show (event) {
    const { cloud } = this
    return { greeting: cloud.greeting, openid: this.cloud.getWXContext().OPENID, event }
  }
}
