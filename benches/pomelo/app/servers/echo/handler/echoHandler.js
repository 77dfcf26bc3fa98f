// Answers what it was told.
'use strict';

module.exports = () => ({
  echo: (message, session, next) => next(null, message),
});
