float ef_sigmoid(float x);
float ef_tanh(float x);
float ef_exp(float x);
