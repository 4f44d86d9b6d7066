Page({
  async steps (): Promise<void> {
    const run = await wx.getWeRunData() as any
    const { result } = await wx.cloud.callFunction({ name: 'steps', data: { weRunData: wx.cloud.CloudID(run.cloudID) } })
    this.setData({ result: result as unknown })
  }
})
