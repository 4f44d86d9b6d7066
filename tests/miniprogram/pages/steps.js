// await, with open data.
Page({
  data: { steps: 0, error: '' },

  async onSync () {
    try {
      const { cloudID } = await wx.getWeRunData()
      const res = await wx.cloud.callFunction({
        name: 'echo',
        data: {
          weRunData: wx.cloud.CloudID(cloudID),
          page: { from: 'steps', at: new Date(1574338655000), skip: undefined }
        }
      })
      this.setData({ event: res.result.event, filled: res.result.openData, requestID: res.requestID })
    } catch (err) {
      this.setData({ error: err.errMsg })
    }
  }
})
