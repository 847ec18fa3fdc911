// RingCentral's official SDK against the server in RC_SERVER_URL: the steps of RingCentral's RingOut guide.
'use strict'

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { setTimeout: sleep } = require('node:timers/promises')
const { SDK } = require('@ringcentral/sdk')

const ringOut = '/restapi/v1.0/account/~/extension/~/ring-out'

const platform = new SDK({
  server: process.env.RC_SERVER_URL,
  clientId: process.env.RC_APP_CLIENT_ID,
  clientSecret: process.env.RC_APP_CLIENT_SECRET
}).platform()

async function place (to) {
  const answer = await platform.post(ringOut, {
    from: { phoneNumber: process.env.RINGOUT_CALLER },
    to: { phoneNumber: to },
    playPrompt: false
  })
  return answer.json()
}

// follow polls a call until its caller's leg has ended, and returns each new set of statuses on the way.
async function follow (call) {
  const seen = []
  for (let polls = 0; polls < 100; polls++) {
    const { status } = await (await platform.get(`${ringOut}/${encodeURIComponent(call.id)}`)).json()
    const line = [status.callStatus, status.callerStatus, status.calleeStatus].join(' ')
    if (line !== seen.at(-1)) seen.push(line)
    if (status.callerStatus === 'Finished') return seen
    await sleep(100)
  }
  assert.fail(`the call did not end: ${seen.join(', ')}`)
}

before(async () => {
  const answer = await platform.login({ jwt: process.env.RC_USER_JWT })
  assert.equal((await answer.json()).token_type, 'bearer')
})

after(async () => {
  await platform.logout()
  assert.equal(await platform.loggedIn(), false)
})

test('a call that is answered', async () => {
  const call = await place('+14155550130')
  assert.deepEqual(call.status, { callStatus: 'InProgress', callerStatus: 'InProgress', calleeStatus: 'InProgress' })
  const seen = await follow(call)
  assert.ok(seen.includes('Success Success Success'), seen.join(', '))
  assert.equal(seen.at(-1), 'Success Finished Finished')
})

test('a busy number', async () => {
  const seen = await follow(await place('+14155550101'))
  assert.equal(seen.at(-1), 'CannotReach Finished Busy')
})

test('a call that is cancelled', async () => {
  const call = await place('+14155550132')
  const answer = await platform.delete(`${ringOut}/${encodeURIComponent(call.id)}`)
  assert.equal(answer.status, 204)
})

test('a number that is none', async () => {
  await assert.rejects(place('12'), (error) => {
    assert.equal(error.response.status, 400)
    assert.match(error.message, /phoneNumber/)
    return true
  })
})

test('a call that nobody placed', async () => {
  await assert.rejects(platform.get(`${ringOut}/none`), (error) => error.response.status === 404)
})
