// One channel: who joins gets what anybody publishes.
'use strict';

module.exports = (app) => {
  const channel = () => app.get('channelService').getChannel('all', true);
  return {
    join: (message, session, next) => {
      const uid = String(session.id);
      session.bind(uid, (error) => {
        if (!error) channel().add(uid, session.frontendId);
        next(error, { code: error ? 500 : 200 });
      });
    },
    publish: (message, session, next) => {
      channel().pushMessage('onPush', message, (error) => next(error, { code: error ? 500 : 200 }));
    },
  };
};
