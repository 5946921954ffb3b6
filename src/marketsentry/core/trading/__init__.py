"""Trading one bar at a time, on paper or live, with the decision core that the backtest loops."""
